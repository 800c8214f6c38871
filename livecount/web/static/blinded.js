// What a blinded page may say of a picture that cannot be shown: reasons name files and folders.
export function troubleOf(problem, isBlinded) {
  return isBlinded ? "The picture of this frame cannot be shown. Why names its file: it is said where the page is not blinded." : problem.message;
}
