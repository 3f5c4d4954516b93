import type { Failure } from '../api';

export const fail = (kind: string, cause: string, remedy: string | null = null, path: string | null = null): Failure => ({
  kind,
  cause,
  remedy,
  path,
});
