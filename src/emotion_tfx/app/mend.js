// Mends what Streamlit leaves to be wished for by who listens to the page: its language, its main
// part, and the name of the field that takes a file.
((language) => {
  document.documentElement.lang = language;
  const mend = () => {
    document.querySelector("section.stMain")?.setAttribute("role", "main");
    for (const area of document.querySelectorAll('[data-testid="stFileUploaderDropzone"]')) {
      const field = area.querySelector('input[type="file"]');
      if (field && !field.ariaLabel) field.ariaLabel = area.getAttribute("aria-label");
    }
  };
  mend();
  window.emotionMender?.disconnect();
  window.emotionMender = new MutationObserver(mend);
  window.emotionMender.observe(document.body, { childList: true, subtree: true });
})