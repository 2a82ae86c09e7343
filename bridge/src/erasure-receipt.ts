import { LOG_RETENTION_MS, RECENT_LOCATION_MS } from "@konferenco/protocol";
import { z } from "zod";

/**
 * What an erasure did, place by place. `removed`: not there any more. `unreadable`: bytes may lie there until they are
 * overwritten, and nobody can read them, in no copy either, because the key is gone. `expires`: by itself, at `untilMs`.
 */
export const erasureReceiptSchema = z.object({
  erased: z.literal(true),
  atMs: z.number(),
  places: z.array(z.object({ where: z.string(), what: z.string(), how: z.enum(["removed", "unreadable", "never kept", "expires"]), untilMs: z.number().optional() })),
});
export type ErasureReceipt = z.infer<typeof erasureReceiptSchema>;

/** Says nothing of whom: it may be filed. `hadTag`: they carried a tag, which stays hidden until it is handed out anew. */
export function erasureReceipt({ atMs, hadTag, closed }: { atMs: number; hadTag: boolean; closed: number }): ErasureReceipt {
  const places: ErasureReceipt["places"] = [
    { where: "people", what: "profile, consent, settings, blocks, shares, look-ups by staff", how: "unreadable" },
    { where: "tokens and tickets", what: "open nothing any more", how: "removed" },
    { where: "connections", what: `${closed} of theirs closed; who was shown them is told to forget, and what waited for others is taken out of their queues`, how: "removed" },
    { where: "log and replay", what: "messages they sent or were sent", how: "unreadable" },
    { where: "backups, append-only files and dumps of all of these", what: "everything above", how: "unreadable" },
    { where: "presence, typing, encounters, receipts of alerts", what: "in memory alone", how: "removed" },
    { where: "retained messages of the broker", what: "nothing about people or tags", how: "never kept" },
    { where: "log lines and metrics", what: "nothing about people or tags", how: "never kept" },
  ];
  if (hadTag) {
    places.splice(
      3,
      0,
      { where: "live state and geo sets", what: "position, zone, last five minutes; the tag is hidden until it is handed out anew", how: "removed" },
      { where: "log and replay", what: "changes of zone and of nearness", how: "unreadable" },
      { where: "fusion's memory", what: "where the tag was going, within a second; what it sends from now on is refused and counted", how: "removed" },
      { where: "spools of gateways", what: "what the tag sent while a gateway was cut off; refused and counted by fusion when it arrives", how: "expires", untilMs: atMs + RECENT_LOCATION_MS },
    );
  }
  places.push({ where: "log", what: "the unreadable bytes themselves", how: "expires", untilMs: atMs + LOG_RETENTION_MS });
  return { erased: true, atMs, places };
}
