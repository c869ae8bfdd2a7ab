import { recall, remember } from '../state/remember.ts';

/** Terms that the reader has met, in this browser: explained once without being asked. */
const met = (recall('metTerms') ?? '').split(' ').filter((term) => term !== '');

export function isFirstMeeting(term: string): boolean {
  if (met.includes(term)) return false;
  met.push(term);
  remember('metTerms', met.join(' '));
  return true;
}
