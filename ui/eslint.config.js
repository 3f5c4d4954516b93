import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

export default ts.config(
  { ignores: ['dist', 'dist-demo', 'node_modules'] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...ts.configs.stylistic,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, __DEMO__: 'readonly' } } },
  { files: ['test/**', '*.ts', '*.js'], languageOptions: { globals: globals.node } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    rules: {
      // File names are text, whatever they hold.
      'svelte/no-at-html-tags': 'error',
      // A style attribute in the page would need `unsafe-inline`.
      // Directives (`style:width`) set it from the script, which is allowed.
      'no-restricted-syntax': [
        'error',
        { selector: 'SvelteAttribute[key.name="style"]', message: 'use a class or a style: directive' },
      ],
      eqeqeq: 'error',
    },
  },
);
