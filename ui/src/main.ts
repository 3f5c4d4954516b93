import { mount } from 'svelte';

import App from './App.svelte';
import './app.css';
import { appear } from './lib/appearance';
import { app } from './lib/app.svelte';
import { open } from './lib/backend';

appear('system')();
const target = document.getElementById('app');
if (target) {
  try {
    await app.start(await open());
  } catch (thrown) {
    app.complain(app.lang.t('trying.start'), thrown);
  }
  mount(App, { target });
}
