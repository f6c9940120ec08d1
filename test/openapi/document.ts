/** As much of an OpenAPI 3.1 document as the tests look at. */
export interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly securitySchemes: Readonly<Record<string, { readonly name?: string }>>;
    readonly schemas: Readonly<Record<string, Schema>>;
  };
}

interface Schema {
  readonly type?: string;
  readonly required?: readonly string[];
  readonly maximum?: number;
  readonly default?: unknown;
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>;

interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly description: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly 'x-required-scope'?: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

/** An operation and where it is; `method` in capital letters. */
export interface Described extends Operation {
  readonly method: string;
  readonly path: string;
}

/** All operations of a document. */
export function operationsOf({ paths }: Document): readonly Described[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
  );
}

/** A request to an operation about things that there are not. */
export function requestFor({ method, path }: Described): { readonly method: string; readonly path: string } {
  return { method, path: path.replaceAll(/\{\w+\}/g, 'nothing') };
}

/** Every object of a document, at any depth. */
export function* nodesOf(node: unknown): Generator<Readonly<Record<string, unknown>>> {
  if (node === null || typeof node !== 'object') return;
  if (!Array.isArray(node)) yield node as Readonly<Record<string, unknown>>;
  for (const child of Object.values(node)) yield* nodesOf(child);
}
