import { expect, type Page } from 'playwright/test';
import type { ExecResult } from '../src/rpc/protocol.ts';

export const TUTORIAL_LINE =
  '-device nvme,drive=mynvme,serial=deadbeef,namespaces=1,lver=1,lmetasize=16,ll2pmode=0,nlbaf=5,lba_index=3,mdts=10,lnum_lun=16,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=512,lbbtable=bbtable.qemu,lmetadata=meta.qemu,ldebug=1';
export const CREATE = 'nvme lnvm create -d nvme0n1 -n mydevice -t pblk -b 0 -e 3';
const BOOT_MS = 120_000;

/** The page, driven as a person and as a script would. */
export class LabPage {
  readonly page: Page;
  /** Errors nobody caught: there must be none. */
  readonly crashes: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on('pageerror', (error) => this.crashes.push(error.message));
  }

  async open(): Promise<void> {
    await this.page.goto('./');
    await expect(this.page.getByTestId('power-on').first()).toBeEnabled();
  }

  /** As {@link open}, for a reader who wants the kernel to boot. */
  async openCold(): Promise<void> {
    await this.page.addInitScript(() => localStorage.setItem('lightnvm-lab.cold', 'yes'));
    await this.open();
  }

  /** From the next load on, for a reader who wants the machine to be off after a reload. To be called before {@link open}. */
  async staysOff(): Promise<void> {
    await this.page.addInitScript(() => localStorage.setItem('lightnvm-lab.goOn', 'no'));
  }

  /** Clicks power on and waits for the prompt. */
  async powerOn(): Promise<void> {
    await this.page.getByTestId('power-on').first().click();
    await this.ready();
  }

  async ready(): Promise<void> {
    await expect(this.page.getByTestId('power-state')).toHaveText(/Running/, { timeout: BOOT_MS });
  }

  exec(command: string, timeoutMs = 180_000): Promise<ExecResult> {
    return this.page.evaluate(([c, t]) => window.lab.exec(c, { timeoutMs: t }), [
      command,
      timeoutMs,
    ] as const);
  }

  /** Runs a command that has to succeed; its output. */
  async run(command: string): Promise<string> {
    const { status, output } = await this.exec(command);
    expect(status, `${command}\n${output}`).toBe(0);
    return output;
  }

  /** What is on the first terminal's screen. */
  terminalText(): Promise<string> {
    return this.page.getByTestId('terminal-0').innerText();
  }

  /** Colour of the canvas at the left edge of a chunk, as #rrggbb: there it is the pure colour of its state. */
  async chunkColour(ch: number, lun: number, chk: number): Promise<string> {
    return this.page.evaluate(
      ([c, l, k]) => {
        const canvas = document.querySelector<HTMLCanvasElement>(
          'canvas[data-testid="map-canvas"], [data-testid="map-canvas"] canvas',
        );
        const rect = window.__flashMap?.cellRect(c, l, k);
        const context = canvas?.getContext('2d');
        if (!canvas || !rect || !context) return 'no map';
        const scale = canvas.width / canvas.clientWidth;
        const [r = 0, g = 0, b = 0] = context.getImageData(
          (rect.x + 1) * scale,
          (rect.y + rect.h / 4) * scale,
          1,
          1,
        ).data;
        return `#${[r, g, b].map((v) => v.toString(16).padStart(2, '0')).join('')}`;
      },
      [ch, lun, chk] as const,
    );
  }

  stateColour(state: 'free' | 'open' | 'closed' | 'offline'): Promise<string> {
    return this.page.evaluate((s) => window.__flashMap?.colour(s) ?? 'no map', state);
  }
}
