import type { ControlChannel } from '../control-channel.ts';
import type { LabDevice } from '../device.ts';
import { overProvisioning } from './over-provisioning.ts';
import { type SavedTargets, TargetWatch } from './target-watch.ts';

/** Watches the targets of a device, by way of the guest's agent; undefined for a plain disk, which has none. */
export function watchTargets(
  device: LabDevice,
  control: ControlChannel,
  goesOn: { readonly targets?: SavedTargets } | undefined,
): TargetWatch | undefined {
  const { targetSigns: signs, config } = device;
  if (!signs) return undefined;
  return new TargetWatch({
    signs,
    book: device,
    goesOn: goesOn !== undefined,
    ...(goesOn?.targets && { live: goesOn.targets }),
    exec: (command, options) => control.exec(command, options),
    overProvisioning: (begin, end, sizeBytes) => overProvisioning(config, begin, end, sizeBytes),
  });
}
