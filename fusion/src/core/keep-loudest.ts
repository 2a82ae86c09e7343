/** Into two lists side by side: the level of each place's loudest gateway. Places are few enough for a list. */
export function keepLoudest(places: number[], levelsDb: number[], place: number, levelDb: number): void {
  const i = places.indexOf(place);
  if (i === -1) {
    places.push(place);
    levelsDb.push(levelDb);
  } else if (levelDb > (levelsDb[i] as number)) {
    levelsDb[i] = levelDb;
  }
}
