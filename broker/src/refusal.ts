import type { RefusalCode } from "@konferenco/protocol";

/** CONNACK return codes of MQTT 3.1.1 [3.2.2.3]. */
export type ConnackCode = 2 | 3 | 4 | 5;

/** A refusal on its way through aedes' callbacks. Its connection closes; it has been counted where it was made. */
export class Refused extends Error {
  readonly code: RefusalCode;
  readonly detail: string;
  readonly returnCode: ConnackCode;
  constructor(code: RefusalCode, detail: string, returnCode: ConnackCode = 5) {
    super(`${code}: ${detail}`);
    this.name = "Refused";
    this.code = code;
    this.detail = detail;
    this.returnCode = returnCode;
  }
}
