import type { SideId } from './beside/side-query.ts';

/** What a page shows, by its address. */
export type PageKind =
  | { readonly kind: 'lab' }
  /** A recording instead of a lab: the page then starts no machine, and fetches nothing of one. */
  | { readonly kind: 'replay'; readonly url: string }
  /** One of the two that another page holds. */
  | { readonly kind: 'side'; readonly id: SideId }
  | { readonly kind: 'beside' };

export function pageKind(search: string): PageKind {
  const query = new URLSearchParams(search);
  const side = query.get('side');
  const url = query.get('replay');
  if (query.has('beside')) return { kind: 'beside' };
  if (side === 'left' || side === 'right') return { kind: 'side', id: side };
  return url === null ? { kind: 'lab' } : { kind: 'replay', url };
}

/** Whether there is a machine in the page itself. */
export function hasLab(search: string): boolean {
  return pageKind(search).kind !== 'beside' && !new URLSearchParams(search).has('replay');
}
