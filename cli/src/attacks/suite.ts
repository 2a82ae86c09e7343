import type { Attack } from "./attack.ts";
import { sybils } from "./p01-sybils.ts";
import { oracle } from "./p02-oracle.ts";
import { averaging } from "./p03-averaging.ts";
import { claims } from "./p04-claims.ts";
import { timing } from "./p05-timing.ts";
import { paths } from "./p06-paths.ts";
import { replay } from "./p07-replay.ts";
import { alerts } from "./p08-alerts.ts";
import { absent, absentTiming } from "./p09-absent.ts";
import { counts } from "./p10-counts.ts";
import { countsOverTime } from "./p11-counts-over-time.ts";
import { linking } from "./p12-linking.ts";
import { ids } from "./p13-ids.ts";
import { joining } from "./p14-joining.ts";
import { probing } from "./p15-probing.ts";
import { sideDoor } from "./p16-side-door.ts";
import { evasion } from "./p18-evasion.ts";
import { erasure } from "./p19-erasure.ts";
import { restore } from "./p20-restore.ts";
import { consent } from "./p21-consent.ts";
import { snooping } from "./p23-snooping.ts";

/** In the order of their ids. What is not here, and why: docs/privacy.md. */
export const ATTACKS: readonly Attack[] = [sybils, oracle, averaging, claims, timing, paths, replay, alerts, absent, absentTiming, counts, countsOverTime, linking, ids, joining, probing, sideDoor, evasion, erasure, restore, consent, snooping];
