import type { LabState, Wish } from '../state/lab.svelte.ts';
import { language } from '../text/language.svelte.ts';
import {
  diskFor,
  diskForLink,
  diskNameOf,
  mistakesIn,
  readSide,
  wantedDevice,
  type SideId,
  type SideQuery,
} from './side-query.ts';

/** What a side of a page with two labs begins with. */
export function wishOf(side: SideId, query: SideQuery): Wish {
  return {
    goesOn: false,
    disk: (disks, last) => diskFor(side, query, disks, last),
    draft: (lab) => {
      const name = draft(lab, query);
      lab.setup.diskName = diskNameOf(side, name ?? lab.setup.diskName);
    },
  };
}

/** What a link to a page with one lab asks for; undefined when it asks for nothing. */
export function wishOfLink(search: string): Wish | undefined {
  const query = readSide(search);
  if (query.disk === undefined && query.preset === undefined && query.line === undefined) return undefined;
  return {
    goesOn: true,
    disk: (disks, last) => diskForLink(query, disks, last),
    draft: (lab) => {
      const name = draft(lab, query);
      if (name !== undefined) lab.setup.diskName = name;
    },
  };
}

/** Says what in a link means nothing here. */
export function tellMistakes({ notices }: LabState, search: string): void {
  const t = language.t.beside;
  const query = readSide(search);
  const { unknown, size } = mistakesIn(search);
  if (query.preset !== undefined && !wantedDevice(query))
    notices.error('link.preset', t.noPreset(query.preset));
  if (unknown.length > 0) notices.error('link.keys', t.unknownKeys(unknown.join(', ')));
  if (size !== undefined) notices.error('link.size', t.noSize(size));
}

/** The set-up for the disk that a query asks for; answers with its name. */
function draft({ setup, notices }: LabState, query: SideQuery): string | undefined {
  const t = language.t.beside;
  const wanted = wantedDevice(query);
  if (query.disk !== undefined) notices.error('beside.disk', t.noDisk(query.disk));
  if (wanted) {
    setup.line = wanted.line;
    setup.setSize(wanted.sizeBytes);
  }
  return wanted?.name;
}
