const ENTITY_TAG = /^(W\/)?("[\x21\x23-\x7e\x80-\xff]*")$/;

/** True where the header If-Match (absent: always) allows a change of what has this tag. A weak one never matches (RFC 9110, 13.1.1). */
export function allowsChange(ifMatch: string | undefined, etag: string): boolean {
  return ifMatch === undefined || tagsIn(ifMatch).some(({ weak, tag }) => tag === '*' || (tag === etag && !weak));
}

/** True where the header If-None-Match says that the caller has what has this tag; weak or not is the same (RFC 9110, 13.1.2). */
export function hasAlready(ifNoneMatch: string | undefined, etag: string): boolean {
  return ifNoneMatch !== undefined && tagsIn(ifNoneMatch).some(({ tag }) => tag === '*' || tag === etag);
}

/** A `*` counts only alone; what is no entity tag matches nothing. Ours hold no comma. */
function tagsIn(header: string): { readonly weak: boolean; readonly tag: string }[] {
  const list = header.trim();
  if (list === '*') return [{ weak: false, tag: '*' }];
  return list.split(',').flatMap((item) => {
    const [, weak, tag] = ENTITY_TAG.exec(item.trim()) ?? [];
    return tag === undefined ? [] : [{ weak: weak !== undefined, tag }];
  });
}
