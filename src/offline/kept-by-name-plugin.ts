import type { Plugin } from 'vite';

/**
 * Files whose names change with their contents: what the bundler names, and the packed ones of the guest. `_headers`
 * says the same to hosts that read it.
 */
export const NAMED_BY_CONTENT = /^\/(assets\/|guest\/[\w-]+-[0-9a-f]{8}\.packed$)/;
export const FOR_GOOD = 'public, max-age=31536000, immutable';

/**
 * The preview server asks browsers to come back for every file each time. A file that is named by its contents need
 * not be asked for again; and a browser throws away what it has compiled of one that it asked for.
 */
export function keptByName(): Plugin {
  return {
    name: 'lightnvm-lab-kept-by-name',
    configurePreviewServer(server) {
      server.middlewares.use((request, response, next) => {
        if (NAMED_BY_CONTENT.test(request.url?.split('?')[0] ?? ''))
          response.setHeader('Cache-Control', FOR_GOOD);
        next();
      });
    },
  };
}
