import type { LabApi } from './lab-api.ts';
import type { Rect } from './charts/flash-map-layout.ts';
import type { MapLayer } from './charts/flash-map-source.ts';

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
      setLayer(layer: MapLayer): void;
      /** Letters on the canvas; without them a picture is the same on every machine. */
      setLabels(areShown: boolean): void;
      /** Paints everything at once, `fresh` with nothing kept from before; milliseconds of script that it took. */
      paintMs(fresh?: boolean): number;
      /** Where a sector is painted, or its page or chunk, as deep as the map is drawn at the present zoom. */
      placeRect(block: number, sec: number): Rect | undefined;
      /** Shows a sector in the middle, at a zoom. */
      lookAt(block: number, sec: number, k: number): void;
      maxZoom(): number;
      /** Shows a recording: a packed model and a segment that goes on from there, their bytes in Base64. */
      load(
        model: string,
        segment?: { bytes: string; records: number; commands: number; fromUs: number; toUs: number },
      ): void;
    };
  }
}
