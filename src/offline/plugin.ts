import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Plugin } from 'vite';

/** Files that a page never asks for. */
const LEFT_OUT = /^(_headers|guest\/(licences\/|build-packages|kernel\.config))/;

/** After the build: writes sw.js, which keeps every file of the site for offline use. */
export function offline(): Plugin {
  let folder = 'dist';
  return {
    name: 'lightnvm-lab-offline',
    apply: 'build',
    configResolved(config) {
      folder = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      const files = readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) =>
          join(entry.parentPath, entry.name)
            .slice(folder.length + 1)
            .replaceAll('\\', '/'),
        )
        .filter((name) => name !== 'sw.js' && !LEFT_OUT.test(name))
        .sort();
      const hash = createHash('sha256');
      for (const name of files) hash.update(name).update(readFileSync(join(folder, name)));
      const worker = readFileSync(new URL('service-worker.js', import.meta.url), 'utf8');
      const head = `const VERSION = '${hash.digest('hex').slice(0, 16)}';\nconst FILES = ${JSON.stringify(files)};\n`;
      writeFileSync(join(folder, 'sw.js'), head + worker);
    },
  };
}
