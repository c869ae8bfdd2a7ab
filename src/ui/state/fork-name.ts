/** Characters that a disk's name may have, counted as a reader does. */
const MAX_CHARACTERS = 64;
const SUFFIX = ' (fork)';

/** What the fork of a disk is called if nobody says otherwise. */
export function forkName(name: string): string {
  const kept = [...name].slice(0, MAX_CHARACTERS - SUFFIX.length).join('');
  return `${kept.trimEnd()}${SUFFIX}`;
}
