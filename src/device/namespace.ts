import type { OpenChannelFlash } from '../flash/open-channel.ts';
import type { PlainMedium } from '../flash/plain.ts';
import type { OpenChannelNamespaceConfig, PlainNamespaceConfig } from './config.ts';

/** A namespace: what it was configured as, with the medium behind it. */
export type Namespace =
  | {
      readonly kind: 'ocssd12';
      readonly config: OpenChannelNamespaceConfig;
      readonly medium: OpenChannelFlash;
    }
  | { readonly kind: 'plain'; readonly config: PlainNamespaceConfig; readonly medium: PlainMedium };

/** Logical blocks of a namespace and the size of one in bytes. */
export function namespaceSize(ns: Namespace): { totalSecs: number; secSizeBytes: number } {
  if (ns.kind === 'plain') return ns.config;
  return { totalSecs: ns.medium.geometry.totalSecs, secSizeBytes: ns.medium.geometry.secSizeBytes };
}
