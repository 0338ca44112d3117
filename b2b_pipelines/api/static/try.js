// Swagger UI over this server's own document. Its files come from an installed package, none from elsewhere.
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: false, // with links, each would lie inside a button, which screen readers cannot open
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  onComplete: () => document.querySelector("#servers")?.setAttribute("aria-label", "Server"),
});
