/** What can be wrong with a machine, for callers that react to more than the sentence. */
export type MachineErrorCode =
  | 'wasm' // the emulator's WebAssembly is missing or does not compile
  | 'firmware' // the BIOS or VGA BIOS image is not one
  | 'kernel' // the kernel image is not a bzImage, or is cut short
  | 'initrd' // the initramfs does not fit
  | 'memory' // the RAM size is outside its bounds, or the host has not that much
  | 'cmdline' // the kernel command line is too long or not ASCII
  | 'slot' // a PCI function cannot be plugged in where it was asked for
  | 'file' // a name or a file in the shared directory
  | 'input' // more input is waiting than the machine keeps
  | 'busy' // it cannot be saved now: something is on its way
  | 'state' // a saved state cannot be restored
  | 'ended' // the machine halted, was reset, crashed or was destroyed
  | 'emulator'; // the emulator itself failed

/** An error of this room: `message` is one plain sentence that may be shown to a person. */
export class MachineError extends Error {
  readonly code: MachineErrorCode;

  constructor(code: MachineErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'MachineError';
    this.code = code;
  }
}

/** The text of something thrown, for the end of a sentence. */
export function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replace(/\s+/g, ' ').trim().replace(/\.$/, '') || 'no reason given';
}
