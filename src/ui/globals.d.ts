import type { LabApi } from './lab-api.ts';
import type { Rect } from './charts/flash-map-layout.ts';

declare global {
  interface Window {
    /** The public scripting interface: docs/api.md. */
    lab: LabApi;
    /**
     * Test hook: where the map paints a chunk, in CSS pixels from the corner of
     * `[data-testid=map-canvas]`, and the colour of a state. The left edge of a plane's strip (x + 1) is
     * always the pure colour of its state. Not for users; absent while no map is shown.
     */
    __flashMap?: {
      cellRect(ch: number, lun: number, chk: number): Rect | undefined;
      colour(state: 'free' | 'open' | 'closed' | 'offline'): string;
    };
  }
}
