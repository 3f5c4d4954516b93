/// <reference types="svelte" />
/// <reference types="vite/client" />

/** True in demo builds only, see vite.config.ts. */
declare const __DEMO__: boolean;
