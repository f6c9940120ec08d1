import { Injectable, type PipeTransform } from '@nestjs/common';
import { HttpErrors } from './http.errors.js';
import { pointerTo } from './json.js';

/** For a route that wants nothing: no body, or an empty object. Throws VALIDATION_FAILED with a pointer to what else there is. */
@Injectable()
export class EmptyBodyPipe implements PipeTransform {
  transform(body: unknown): void {
    if (body === undefined) return;
    if (body === null || typeof body !== 'object' || Array.isArray(body)) {
      const errors = [{ pointer: '', detail: 'must be a JSON object', code: 'NOT_AN_OBJECT' }];
      throw HttpErrors.VALIDATION_FAILED('The body must be {} or left out.', { errors });
    }
    const errors = Object.keys(body).map((name) => ({
      pointer: pointerTo([name]),
      detail: `${name} is not known here`,
      code: 'UNKNOWN_FIELD',
    }));
    if (errors.length > 0) throw HttpErrors.VALIDATION_FAILED('The body must be {} or left out.', { errors });
  }
}
