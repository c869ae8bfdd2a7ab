import type { ChunkFlash } from '../flash/chunk-flash.ts';
import type { OpenChannelFlash } from '../flash/open-channel.ts';
import type { PlainMedium } from '../flash/plain.ts';
import type { ChunkNamespaceConfig, OpenChannelNamespaceConfig, PlainNamespaceConfig } from './config.ts';

/** A namespace: what it was configured as, with the medium behind it. */
export type Namespace = OpenChannelNamespace | ChunkNamespace | PlainNamespace;

/** Open-channel 1.2. */
export interface OpenChannelNamespace {
  readonly kind: 'ocssd12';
  readonly config: OpenChannelNamespaceConfig;
  readonly medium: OpenChannelFlash;
}

/** Open-channel 2.0. */
export interface ChunkNamespace {
  readonly kind: 'ocssd20';
  readonly config: ChunkNamespaceConfig;
  readonly medium: ChunkFlash;
}

export interface PlainNamespace {
  readonly kind: 'plain';
  readonly config: PlainNamespaceConfig;
  readonly medium: PlainMedium;
}

/** Logical blocks of a namespace and the size of one in bytes. */
export function namespaceSize(ns: Namespace): { totalSecs: number; secSizeBytes: number } {
  if (ns.kind === 'plain') return ns.medium;
  return ns.medium.geometry;
}
