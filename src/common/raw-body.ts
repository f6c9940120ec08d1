/** The type of the bodies that routes take, unless they say otherwise. */
export const JSON_BODY = 'application/json';

/** The types of bodies that some routes take. */
export const OTHER_BODIES = ['application/merge-patch+json', 'application/x-ndjson', 'text/csv'] as const;

type MediaType = typeof JSON_BODY | (typeof OTHER_BODIES)[number];

/** Configuration of a Fastify route whose handler gets the body as the bytes that came (a Buffer), and judges them itself. */
export const AS_BYTES = { asBytes: true } as const;

/** Configuration of a Fastify route that takes bodies of these types and no other. */
export function taking(...bodies: readonly MediaType[]): { readonly bodies: readonly MediaType[] } {
  return { bodies };
}

/** True for the configuration of a route that wants the bytes. */
export function isAsBytes(config: object): boolean {
  return 'asBytes' in config;
}

/** The types of bodies that a route of this configuration takes. */
export function bodiesOf(config: object): readonly string[] {
  return 'bodies' in config ? (config.bodies as readonly string[]) : [JSON_BODY];
}
