import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('says the same content security policy in the page and in public/_headers', () => {
  const page = /content="(default-src[^"]*)"/.exec(readFileSync('index.html', 'utf8'))?.[1];
  const headers = /Content-Security-Policy: (.*)/.exec(readFileSync('public/_headers', 'utf8'))?.[1];
  expect(page).toBeTruthy();
  expect(headers).toBe(page);
});
