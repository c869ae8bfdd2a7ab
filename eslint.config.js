import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

/**
 * Which rooms a room may import from (ARCHITECTURE.md, "Rooms"). A room that is not
 * listed here is out of bounds for the one on the left.
 */
const mayImport = {
  spec: [],
  flash: ['spec'],
  device: ['spec', 'flash'],
  trace: ['spec', 'flash'],
  storage: ['spec', 'flash'],
  machine: ['spec', 'flash', 'device'],
  lab: ['spec', 'flash', 'device', 'trace', 'storage', 'machine'],
  rpc: ['lab', 'trace'],
  // Of the core only what a recording is read with.
  ui: ['rpc', 'trace', 'flash', 'spec'],
  headless: ['spec', 'flash', 'device', 'trace', 'storage', 'machine', 'lab'],
};

const rooms = Object.keys(mayImport);

/** The core: it imports no package at all. */
const core = ['spec', 'flash', 'device', 'trace'];

/** One config block a room: every sibling room it may not import becomes a restricted pattern. */
const importDirections = rooms.map((room) => {
  const forbidden = rooms.filter((other) => other !== room && !mayImport[room].includes(other));
  return {
    files: [`src/${room}/**/*.{ts,svelte}`],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            ...(core.includes(room)
              ? [{ regex: '^[^.]', message: `src/${room} belongs to the core, which uses no packages.` }]
              : []),
            {
              regex: `(^|/)(${[...forbidden, 'workers'].join('|')})/`,
              message: `src/${room} may import only from: ${mayImport[room].join(', ') || 'itself'} (ARCHITECTURE.md).`,
            },
          ],
        },
      ],
    },
  };
});

export default ts.config(
  { ignores: ['dist/', 'node_modules/', 'public/', 'test-results/', 'playwright-report/', '.cache/'] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs['flat/recommended'],
  {
    languageOptions: { globals: { ...globals.browser, ...globals.node } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      eqeqeq: ['error', 'always'],
      'no-restricted-properties': [
        'error',
        { property: 'innerHTML', message: 'Guest bytes never reach innerHTML: set textContent.' },
        { property: 'outerHTML', message: 'Guest bytes never reach outerHTML.' },
      ],
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    rules: { 'svelte/no-at-html-tags': 'error' },
  },
  { files: ['src/offline/service-worker.js'], languageOptions: { globals: globals.serviceworker } },
  ...importDirections,
);
