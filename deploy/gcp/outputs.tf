output "app_url" {
  description = "Address of the web app; with app_access = \"iam\" reach it through `app_command`."
  value       = google_cloud_run_v2_service.app.uri
}

output "app_command" {
  description = "Opens the web app on http://localhost:8080 for those in app_users."
  value       = "gcloud run services proxy ${google_cloud_run_v2_service.app.name} --project ${var.project} --region ${var.region}"
}

output "server_url" {
  description = "Address of the server."
  value       = google_cloud_run_v2_service.server.uri
}

output "registry" {
  description = "Where the images go: REGISTRY/server:TAG and so on."
  value       = google_artifact_registry_repository.images.registry_uri
}

output "models" {
  description = "Where models go: one folder per version."
  value       = "gs://${google_storage_bucket.models.name}/models/emotion"
}

output "training_command" {
  description = "Starts the training, where there is one."
  value       = var.training == null ? null : "gcloud run jobs execute ${google_cloud_run_v2_job.training[0].name} --project ${var.project} --region ${var.region} --wait"
}
