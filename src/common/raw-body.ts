/** Configuration of a Fastify route whose handler gets the body as the bytes that came (a Buffer), and judges them itself. */
export const AS_BYTES = { asBytes: true } as const;

/** True for the configuration of such a route. */
export function isAsBytes(config: object): boolean {
  return 'asBytes' in config;
}
