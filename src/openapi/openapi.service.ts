import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { AccessMode } from '../config/access.mode.js';
import { openApiDocument } from './openapi.document.js';
import { controllersIn } from './openapi.routes.js';

/** The bytes of a document and their entity tag (RFC 9110, 8.8.3). */
export interface Description {
  readonly bytes: Buffer;
  readonly etag: string;
}

/** The description of the running application. */
@Injectable()
export class OpenApiService {
  private description: Description | null = null;

  constructor(
    private readonly modules: ModulesContainer,
    private readonly mode: AccessMode,
  ) {}

  /** Made when it is first asked for: the routes of a process do not change. */
  describe(): Description {
    return (this.description ??= describe(this.modules, this.mode));
  }
}

function describe(modules: ModulesContainer, { required }: AccessMode): Description {
  const bytes = Buffer.from(JSON.stringify(openApiDocument(controllersIn(modules), { required })));
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}
