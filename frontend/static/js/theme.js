// Sets theme, face, size and what follows a rating before the first paint. A plain script, since modules come after it.
for (const name of ["theme", "face", "size", "afterRating"]) {
  const chosen = localStorage.getItem(`reading:${name}`);
  if (chosen) document.documentElement.dataset[name] = chosen;
}
