/** Rows in the text form of COPY: tab between columns, newline after each row, `\N` for null. */
export function copyText(/** @type {readonly (readonly (string | number | null)[])[]} */ rows) {
  const cell = (/** @type {string | number | null} */ value) =>
    value === null ? '\\N' : String(value).replaceAll(/[\\\t\n\r]/g, (character) => `\\${character}`);
  return Buffer.from(rows.map((row) => `${row.map(cell).join('\t')}\n`).join(''));
}

/**
 * What `pg` uses of its connection for COPY, and does not declare.
 * @typedef {object} CopyConnection
 * @property {(text: string) => void} query
 * @property {(chunk: Buffer) => void} sendCopyFromChunk
 * @property {() => void} endCopyFrom
 */

/** A `COPY .. FROM STDIN` for `client.query()`; `done` resolves after the commit and rejects with the server's error. */
export class Copy {
  #text;
  #data;
  #settle = (/** @type {Error | null} */ _error) => {};

  /** @param {string} text the statement @param {Buffer} data in the form that it names */
  constructor(text, data) {
    this.#text = text;
    this.#data = data;
    /** @type {Promise<void>} */
    this.done = new Promise((resolve, reject) => {
      this.#settle = (error) => (error ? reject(error) : resolve());
    });
  }

  /** Called by `pg`, as are the following. */
  submit(/** @type {any} */ connection) {
    /** @type {CopyConnection} */ (connection).query(this.#text);
  }

  handleCopyInResponse(/** @type {CopyConnection} */ connection) {
    connection.sendCopyFromChunk(this.#data);
    connection.endCopyFrom();
  }

  handleError(/** @type {Error} */ error) {
    this.#settle(error);
  }

  handleReadyForQuery() {
    this.#settle(null);
  }

  handleCommandComplete() {}
}
