import type { WifiPosterior } from "./wifi-posterior.ts";
import type { Fingerprint, WifiSurvey } from "./wifi-survey.ts";

/**
 * The reference: k nearest survey scans, in the "powed" representation and the sum of absolute
 * differences, the best of the plain methods compared by Torres-Sospedra et al. 2015
 * (10.1016/j.eswa.2015.08.013). Inverted lists: the cost is what was heard, not what could have been.
 */
export interface WifiKnn {
  locate(scan: Fingerprint): WifiPosterior | null;
}

const NEIGHBOURS = 4;
/** Below everything that is heard. */
const UNHEARD_DBM = -105;

/** A level as a number between 0 (unheard) and about 1, steep where it is loud: ((rssi - min) / -min) ^ e. */
function powed(rssiDbm: number): number {
  return (Math.max(0, rssiDbm - UNHEARD_DBM) / -UNHEARD_DBM) ** Math.E;
}

export function newWifiKnn(survey: WifiSurvey, neighbours = NEIGHBOURS): WifiKnn {
  const lists: { scan: number; level: number }[][] = survey.bssids.map(() => []);
  const sums = new Float64Array(survey.scans.length);
  survey.scans.forEach(({ accessPoint, rssiDbm }, scan) => {
    accessPoint.forEach((heard, i) => {
      const level = powed(rssiDbm[i] as number);
      (lists[heard] as { scan: number; level: number }[]).push({ scan, level });
      sums[scan] = (sums[scan] as number) + level;
    });
  });
  return {
    locate({ accessPoint, rssiDbm }) {
      if (survey.scans.length === 0 || accessPoint.length === 0) return null;
      // |a - b| summed over all access points is both sums less twice what they share.
      const distance = Float64Array.from(sums);
      accessPoint.forEach((heard, i) => {
        const level = powed(rssiDbm[i] as number);
        for (const entry of lists[heard] ?? []) distance[entry.scan] = (distance[entry.scan] as number) - 2 * Math.min(level, entry.level);
      });
      const nearest: number[] = [];
      for (let scan = 0; scan < distance.length; scan++) {
        let at = nearest.length;
        while (at > 0 && (distance[nearest[at - 1] as number] as number) > (distance[scan] as number)) at--;
        if (at >= neighbours) continue;
        nearest.splice(at, 0, scan);
        if (nearest.length > neighbours) nearest.pop();
      }
      const at = nearest.map((scan) => survey.points[(survey.scans[scan] as { point: number }).point] as WifiSurvey["points"][number]);
      return { xM: at.map((point) => point.xM), yM: at.map((point) => point.yM), floor: at.map((point) => point.floor), weight: at.map(() => 1 / at.length) };
    },
  };
}
