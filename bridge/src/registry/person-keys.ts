import { personSubject, tagSubject, type KeyRing } from "@konferenco/fusion";
import type { PersonId, TagId } from "@konferenco/protocol";

/** Whose keys go when a person is erased: theirs and their tag's. Tags that they carried before have other keys already. */
export function subjectsOf(personId: PersonId, tagId: TagId | null): string[] {
  return [personSubject(personId), ...(tagId === null ? [] : [tagSubject(tagId)])];
}

/** From now on the tag is somebody's: without a word about whose, as after a restore, it is no thing. */
export function markCarried(keys: KeyRing, tagId: TagId): void {
  const subject = tagSubject(tagId);
  keys.keyAnew(subject);
  keys.mark(subject, 1);
}

/** True for a tag that nobody is known to carry and that was somebody's all the same: an erased person's who still wears it, or one whose record is lost. */
export function isTagHidden(keys: KeyRing, tagId: TagId): boolean {
  return keys.isErased(tagSubject(tagId)) || keys.markOf(tagSubject(tagId)) > 0;
}
