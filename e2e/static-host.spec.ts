import { createReadStream, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'playwright/test';
import { LabPage } from './lab-page.ts';

const dist = join(fileURLToPath(import.meta.url), '..', '..', 'dist');
const PATH = '/course/lab/';
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
};

/** The plainest of hosts: files below a path, no header but the type. */
function serve(): Promise<Server> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://host').pathname;
    const file = join(dist, normalize(path.slice(PATH.length)) || 'index.html');
    const name = path.endsWith('/') ? join(dist, 'index.html') : file;
    if (!path.startsWith(PATH) || !statSync(name, { throwIfNoEntry: false })?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': types[extname(name)] ?? 'application/octet-stream' });
    createReadStream(name).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, () => resolve(server)));
}

test('runs from a sub-path of a host without special headers', async ({ page }) => {
  const server = await serve();
  try {
    const lab = new LabPage(page);
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}${PATH}`);
    await lab.powerOn();
    expect(await lab.run('uname -r')).toContain('5.10');
    expect(lab.crashes).toEqual([]);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
