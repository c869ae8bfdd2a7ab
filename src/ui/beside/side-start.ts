import type { Wish } from '../state/lab.svelte.ts';
import { language } from '../text/language.svelte.ts';
import { diskFor, diskNameOf, wantedDevice, type SideId, type SideQuery } from './side-query.ts';

/** What a side of a page with two labs begins with. */
export function wishOf(side: SideId, query: SideQuery): Wish {
  const t = language.t.beside;
  return {
    disk: (disks, last) => diskFor(side, query, disks, last),
    draft: ({ setup, notices }) => {
      if (query.disk !== undefined) notices.error('beside.disk', t.noDisk(query.disk));
      else if (query.preset !== undefined && !wantedDevice(query))
        notices.error('beside.preset', t.noPreset(query.preset));
      const wanted = wantedDevice(query);
      if (wanted) {
        setup.line = wanted.line;
        setup.setSize(wanted.sizeBytes);
      }
      setup.diskName = diskNameOf(side, wanted?.name ?? setup.diskName);
    },
  };
}
