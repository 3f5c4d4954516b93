// Light or dark: as chosen, else as the desktop has it.

/** Keeps `data-theme` and the browser's own parts (scroll bars, controls) at what is to be seen. */
export function appear(choice: 'system' | 'light' | 'dark'): () => void {
  const desktop = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    const dark = choice === 'dark' || (choice === 'system' && desktop.matches);
    const root = document.documentElement;
    root.dataset['theme'] = dark ? 'dark' : 'light';
    root.style.colorScheme = dark ? 'dark' : 'light';
  };
  apply();
  desktop.addEventListener('change', apply);
  return () => {
    desktop.removeEventListener('change', apply);
  };
}
