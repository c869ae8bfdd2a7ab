/**
 * The page's worker. First of all it asks for what a guest begins with, and only then reads the rest of its own
 * code: both take a while, and a network needs no processor.
 */
import wasmUrl from 'v86/build/v86.wasm?url';
import bootStates from 'virtual:boot-states';
import { holdMessages } from './held-messages.ts';
import { SiteGuest, USUAL_MIB } from './site-guest.ts';

const passOn = holdMessages(self);
const own = self.location.href;
const guest = new SiteGuest({
  guestBaseUrl: new URL('../guest/', own).href,
  wasmUrl: new URL(wasmUrl, own).href,
  usualMiB: USUAL_MIB,
  list: bootStates,
});

import('./serve.ts')
  .then(({ serve }) => {
    serve(guest);
    passOn();
  })
  // A rejection would stay in here: thrown from a task, the page hears of it.
  .catch((error: unknown) =>
    setTimeout(() => {
      throw error;
    }),
  );
