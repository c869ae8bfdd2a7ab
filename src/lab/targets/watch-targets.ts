import type { ControlChannel } from '../control-channel.ts';
import type { LabDevice } from '../device.ts';
import { overProvisioning } from './over-provisioning.ts';
import { TargetWatch, type TargetWatchParts } from './target-watch.ts';

/** Watches the targets of a device, by way of the guest's agent; undefined for a plain disk, which has none. */
export function watchTargets(
  device: LabDevice,
  control: ControlChannel,
  goesOn: TargetWatchParts['goesOn'],
): TargetWatch | undefined {
  const { targetSigns: signs, config } = device;
  if (!signs) return undefined;
  return new TargetWatch({
    signs,
    book: device,
    goesOn,
    exec: (command, options) => control.exec(command, options),
    overProvisioning: (begin, end, sizeBytes) => overProvisioning(config, begin, end, sizeBytes),
  });
}
