import { Oacs, Oncs } from '../spec/identify.ts';
import type { ControllerConfig, NamespaceConfig } from './config.ts';

/** What of NVMe's optional commands each kind of namespace has. */
const oncsOfKind: Readonly<Record<NamespaceConfig['kind'], number>> = {
  plain: Oncs.compare | Oncs.writeUncorrectable | Oncs.datasetManagement | Oncs.writeZeroes | Oncs.select,
  ocssd12: Oncs.select,
  // Chunks are reset with Dataset Management.
  ocssd20: Oncs.datasetManagement | Oncs.select,
};

/** ONCS: what exists and the options do not switch off. Only this is announced, and only this is executed. */
export function optionalIoCommands(config: ControllerConfig): number {
  return config.namespaces.reduce((bits, { kind }) => bits | oncsOfKind[kind], 0) & config.oncs;
}

/** OACS, in the same way: plain disks can be formatted. */
export function optionalAdminCommands(config: ControllerConfig): number {
  return (config.namespaces.some(({ kind }) => kind === 'plain') ? Oacs.format : 0) & config.oacs;
}
