import { ERROR_LOG_ENTRY_BYTES, firmwareLog, LogPage, smartLog } from '../spec/identify.ts';
import { pack } from '../spec/layout.ts';
import type { ControllerConfig } from './config.ts';

const ROOM_TEMPERATURE_K = 273 + 30;

/** A log page's bytes, or undefined for one that is not kept. */
export function logPage(lid: number, config: ControllerConfig): Uint8Array | undefined {
  switch (lid) {
    case LogPage.error:
      return new Uint8Array((config.elpeZ + 1) * ERROR_LOG_ENTRY_BYTES);
    case LogPage.smart:
      return pack(smartLog, { temperature: ROOM_TEMPERATURE_K, availableSpare: 100, spareThreshold: 10 });
    case LogPage.firmware:
      return pack(firmwareLog, { afi: 1, frs1: '1.0' });
    default:
      return undefined;
  }
}
