/** Two ways to the newest rows of a part of a table that no index has in order, such as the rows of all devices with a tag. */
export interface NewestRows<Row> {
  /** The newest of the part among the newest `most` rows of the table. Soon full where the part is a large one. */
  among(most: number): Promise<Row[]>;
  /** Whether the part has more rows than `most`. */
  hasMoreThan(most: number): Promise<boolean>;
  /** The newest of the part, by a look at all of it. */
  all(): Promise<Row[]>;
}

const FIRST_LOOK = 2_000;
const LONGER = 4;

/**
 * The newest `wanted` rows of the part, in the order in which `rows` gives them, or all where it has fewer. Looks at about as
 * many rows as the better of the two ways does, whichever that is: both are tried with few rows, then with more.
 */
export async function newestOf<Row>(wanted: number, rows: NewestRows<Row>): Promise<Row[]> {
  for (let most = FIRST_LOOK + wanted; ; most *= LONGER) {
    const found = await rows.among(most);
    if (found.length >= wanted) return found;
    if (!(await rows.hasMoreThan(most))) return rows.all();
  }
}
