/** What went wrong, as one plain sentence that says what to do. */
export class LabError extends Error {
  readonly code: 'guest' | 'device' | 'disk' | 'power' | 'exec' | 'memory' | 'file' | 'save' | 'resume';
  constructor(code: LabError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'LabError';
    this.code = code;
  }
}

/** The sentence of any error. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
