/** A copy that holds nothing else in memory: what the parser gives out are views of whole reads of up to 64 KiB. */
export function detached(payload: string | Buffer): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  // Not from Node's pool, which would keep its neighbours too.
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
