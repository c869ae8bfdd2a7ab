/*
 * Keeps the site for use without a network. The build puts two lines before this file: VERSION, a hash over
 * all files, and FILES, their names. A new version is fetched whole and waits until no page of the old one is
 * open: a page is never given files of two versions, and none is reloaded under a running guest.
 */
/* global VERSION, FILES */
const PREFIX = `lightnvm-lab:${self.registration.scope}:`;
const CACHE = PREFIX + VERSION;
const urls = new Set(FILES.map((name) => new URL(name, self.registration.scope).href));
const page = new URL('index.html', self.registration.scope).href;

self.addEventListener('install', (event) => {
  const requests = (mode) => [...urls].map((url) => new Request(url, { cache: mode }));
  event.waitUntil(
    caches.open(CACHE).then((cache) =>
      // The page reads some of them at the same time, and a small HTTP cache can fail on that: then without it.
      cache.addAll(requests('no-cache')).catch(() => cache.addAll(requests('no-store'))),
    ),
  );
});

self.addEventListener('activate', (event) => {
  // Caches are shared by everything on this origin: only our own old ones go.
  const clean = async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
    }
    await self.clients.claim();
  };
  event.waitUntil(clean());
});

self.addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET') return;
  const url = event.request.url.split(/[?#]/)[0];
  const wanted = url === self.registration.scope ? page : url;
  if (!urls.has(wanted)) return;
  event.respondWith(
    caches
      .open(CACHE)
      .then((cache) => cache.match(wanted))
      .then((kept) => kept ?? fetch(event.request)),
  );
});
