// Carries out what the steps of the wizard decided.

import { app, t } from './app.svelte';
import type { Request } from './api';

/** Makes the bucket if need be, makes the mount point, mounts. The name of the drive. */
export async function mount(requests: Request[]): Promise<string> {
  let name = '';
  for (const request of requests) {
    if (request.ask === 'mount') {
      // A drive letter is no folder.
      if (!/^[A-Za-z]:\\?$/.test(request.mountpoint)) await app.backend.ensureFolder(request.mountpoint);
      name = (await app.backend.ask(request)).mounted.name;
      app.tell(t('told.mounted', { drive: name }), request.mountpoint);
    } else {
      await app.backend.ask(request);
    }
  }
  return name;
}
