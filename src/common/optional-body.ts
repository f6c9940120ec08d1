import { type CustomDecorator, SetMetadata, type Type } from '@nestjs/common';

const OPTIONAL_BODY = 'signalbox:optional-body';

/** The route takes a body of this class or none, and checks it itself: the pipe of all routes asks for one where a class is named. */
export const OptionalBody = (dto: Type<object>): CustomDecorator => SetMetadata(OPTIONAL_BODY, dto);

/** The class that {@link OptionalBody} names for a handler. */
export function optionalBodyOf(handler: object): Type<object> | undefined {
  return Reflect.getMetadata(OPTIONAL_BODY, handler) as Type<object> | undefined;
}
