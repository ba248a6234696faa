// Sets theme, face and size before the first paint. A plain script, since modules come after it.
for (const name of ["theme", "face", "size"]) {
  const chosen = localStorage.getItem(`reading:${name}`);
  if (chosen) document.documentElement.dataset[name] = chosen;
}
