import type { PowerState } from '../../rpc/protocol.ts';
import type { LabApi } from '../lab-api.ts';
import { messageOf } from '../state/connection.ts';
import type { Preferences } from '../state/preferences.svelte.ts';
import { recall, remember } from '../state/remember.ts';
import { language } from '../text/language.svelte.ts';
import { compared, type Compared } from './compare.ts';
import { commandFor, deviceOfLine, deviceOfShape, differences, type Device, type Part } from './names.ts';
import { besideUrl, diskNameOf, SIDES, type SideId, type SideQuery } from './side-query.ts';
import { TimeLink, UNITS, ZEROS, type SideMoment, type Unit, type Zero } from './time-link.ts';

/** Texts follow at this pace. */
const LOOK_EVERY_MS = 250;
/** A frame that shows nothing for so long will not. */
const PATIENCE_MS = 20_000;

/** A command that was typed, as one side has it. */
export type Typed =
  | { readonly state: 'running' }
  | { readonly state: 'ended'; readonly status: number }
  | { readonly state: 'failed'; readonly reason: string };

/** One of the two pages, by its `window.lab`. */
export class BesideSide {
  readonly id: SideId;
  readonly query: SideQuery;
  lab = $state.raw<LabApi>();
  /** The frame does not come. */
  isLate = $state(false);
  power = $state<PowerState>('off');
  isRecording = $state(false);
  /** Name of the disk or of the recording; '' before there is one. */
  title = $state('');
  diskId = $state<string>();
  device = $state.raw<Device>();
  moment = $state.raw<SideMoment>();
  figures = $state.raw<Compared>();
  typed = $state.raw<Typed>();
  #line = '';
  #window: Window | undefined;
  #sinceMs = performance.now();
  /** Figures at the moment that is counted from, and which moment of which recording that is. */
  #base: { key: string; figures: ReturnType<LabApi['trace']['figures']> } | undefined;

  constructor(id: SideId, query: SideQuery) {
    this.id = id;
    this.query = query;
    this.isRecording = query.replay !== undefined;
  }

  readonly isOn = $derived(this.power !== 'off' && this.power !== 'halted');

  /** The frame's page has come, or gone; returns true when its interface is another one. */
  meet(window: Window | undefined): boolean {
    this.#window = window;
    const lab = window?.lab;
    if (!lab) this.isLate = performance.now() - this.#sinceMs > PATIENCE_MS;
    if (lab === this.lab) return false;
    this.lab = lab;
    this.#line = '';
    this.#base = undefined;
    if (lab) this.isLate = false;
    else this.#sinceMs = performance.now();
    return true;
  }

  get window(): Window | undefined {
    return this.#window;
  }

  look(link: TimeLink): void {
    const { lab } = this;
    if (!lab) return;
    const { trace, disk } = lab;
    this.power = lab.power.state;
    this.isRecording = this.query.replay !== undefined || trace.file !== undefined;
    this.title = trace.file?.name ?? disk.current?.name ?? '';
    this.diskId = disk.current?.id;
    this.moment = link.momentOf(this.id);
    this.figures = this.#compare(lab);
    if (trace.file || this.query.replay !== undefined) {
      this.#line = '';
      this.device = trace.shape && deviceOfShape(trace.shape);
    } else void this.#readLine(lab);
  }

  #compare({ trace }: LabApi): Compared | undefined {
    const now = trace.figures();
    if (!now) return undefined;
    const zero = this.moment?.zero;
    // Another recording begins at another time.
    const key = `${zero?.timeUs} ${zero?.command}`;
    if (this.#base?.key !== key)
      this.#base = { key, figures: zero && trace.figures({ timeUs: zero.timeUs - 1 }) };
    return compared(now, this.#base.figures);
  }

  async #readLine({ device, disk, power }: LabApi): Promise<void> {
    // The disk that is on; before, what power on would make.
    const used = power.state === 'off' ? undefined : disk.current;
    const line = used?.deviceLine ?? device.line;
    const sizeBytes = used?.sizeBytes ?? device.sizeBytes;
    if (this.#line === `${sizeBytes} ${line}`) return;
    this.#line = `${sizeBytes} ${line}`;
    const asked = this.#line;
    try {
      const parsed = await device.parse(line, sizeBytes);
      if (asked === this.#line) this.device = deviceOfLine(parsed);
    } catch {
      // The side says itself what is wrong; it has no name then.
      if (asked === this.#line) this.device = undefined;
    }
  }

  type(command: string): void {
    const { lab } = this;
    if (!lab || this.query.replay !== undefined) return;
    const running: Typed = { state: 'running' };
    this.typed = running;
    lab.shell.run(commandFor(this.id, command)).then(
      ({ status }) => {
        if (this.typed === running) this.typed = { state: 'ended', status };
      },
      (error: unknown) => {
        if (this.typed === running) this.typed = { state: 'failed', reason: messageOf(error) };
      },
    );
  }
}

/** Two pages side by side: their frames, their common time, what is typed into both. */
export class BesideState {
  readonly left: BesideSide;
  readonly right: BesideSide;
  isLinked = $state(true);
  zero = $state<Zero>('powerOn');
  unit = $state<Unit>('time');
  leader = $state<SideId>();
  /** One sentence about what a button could not do; '' for none. */
  problem = $state('');
  readonly link = new TimeLink();
  readonly #prefs: Preferences;

  constructor(left: SideQuery, right: SideQuery, prefs: Preferences) {
    this.left = new BesideSide('left', left);
    this.right = new BesideSide('right', right);
    this.#prefs = prefs;
    this.zero = ZEROS.find((zero) => zero === recall('besideZero') && zero !== 'mark') ?? 'powerOn';
    this.unit = UNITS.find((unit) => unit === recall('besideUnit')) ?? 'time';
    this.link.setZero(this.zero);
    this.link.setUnit(this.unit);
  }

  get sides(): readonly [BesideSide, BesideSide] {
    return [this.left, this.right];
  }

  get differing(): ReadonlySet<Part> {
    return differences(this.left.device, this.right.device);
  }

  /** The sides with a machine. */
  get labs(): readonly BesideSide[] {
    return this.sides.filter(({ isRecording }) => !isRecording);
  }

  get canType(): boolean {
    return this.labs.length > 0 && this.labs.every(({ power }) => power === 'running');
  }

  /** Both have chosen one disk, which only one of them can have on. */
  get clash(): boolean {
    const [a, b] = this.labs;
    return a?.diskId !== undefined && a.diskId === b?.diskId;
  }

  /** Looks after the frames until the returned function is called. */
  watch(frames: Readonly<Record<SideId, HTMLIFrameElement>>): () => void {
    const look = () => {
      for (const side of this.sides) {
        if (side.meet(windowOf(frames[side.id]))) {
          this.link.attach(side.id, side.lab?.trace);
          this.dress(side);
        }
      }
      this.link.refresh();
      this.leader = this.link.leader;
      for (const side of this.sides) side.look(this.link);
    };
    const timer = setInterval(look, LOOK_EVERY_MS);
    return () => {
      clearInterval(timer);
      for (const id of SIDES) this.link.attach(id, undefined);
    };
  }

  /** Theme, language and size of letters are those of this page. */
  dress(side: BesideSide): void {
    const { theme, projector } = this.#prefs;
    side.lab?.page.set({ theme, language: language.code, projector });
  }

  setLinked(isLinked: boolean): void {
    this.isLinked = isLinked;
    this.link.setLinked(isLinked);
  }

  setZero(zero: Zero): void {
    this.zero = zero;
    remember('besideZero', zero);
    this.link.setZero(zero);
  }

  setUnit(unit: Unit): void {
    this.unit = unit;
    remember('besideUnit', unit);
    this.link.setUnit(unit);
  }

  markTogether(): void {
    const t = language.t.beside;
    if (this.link.markTogether(t.togetherMark)) this.zero = 'mark';
    else this.problem = t.cannotMark;
  }

  powerOn(): void {
    this.#power(
      ({ isOn }) => !isOn,
      (lab) => lab.power.on(),
    );
  }

  powerOff(): void {
    this.#power(
      ({ isOn }) => isOn,
      (lab) => lab.power.off(),
    );
  }

  #power(wanted: (side: BesideSide) => boolean, action: (lab: LabApi) => Promise<void>): void {
    this.problem = '';
    const t = language.t.beside;
    for (const side of this.labs.filter(wanted)) {
      if (!side.lab) continue;
      action(side.lab).catch((error: unknown) => {
        const said = t.sideSays(t.sides[side.id], messageOf(error));
        this.problem = [this.problem, said].filter(Boolean).join(' ');
      });
    }
  }

  type(command: string): void {
    for (const side of this.labs) side.type(command);
  }

  /** Ends a clash: the right side makes a disk like the one that both have chosen. */
  async giveOwnDisk(): Promise<void> {
    const { lab } = this.right;
    const disk = lab?.disk.current;
    if (!lab || !disk) return;
    const t = language.t.beside;
    try {
      const own = await lab.disk.create({
        name: diskNameOf('right', disk.name),
        line: disk.deviceLine,
        sizeBytes: disk.sizeBytes,
      });
      this.problem = '';
      // Else the address would ask for the other one again.
      if (this.right.query.disk !== undefined)
        history.replaceState(null, '', besideUrl(this.left.query, { disk: own.name }));
    } catch (error) {
      this.problem = t.sideSays(t.sides.right, messageOf(error));
    }
  }
}

/** Only a page of ours can be asked; what a host puts there instead (an error page) is of another origin. */
function windowOf(frame: HTMLIFrameElement): Window | undefined {
  try {
    return frame.contentWindow?.lab ? frame.contentWindow : undefined;
  } catch {
    return undefined;
  }
}
