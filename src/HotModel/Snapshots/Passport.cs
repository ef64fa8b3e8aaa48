namespace HotModel.Snapshots;

/// <summary>
/// What makes a slot file valid. llama-server itself takes any file of the same shape, another model's too.
/// </summary>
/// <param name="Model">Its configured name: for people, no part of the comparison.</param>
/// <param name="Fingerprint">Equal: the same model file, arguments, template and llama-server build.</param>
/// <param name="ModelAndBuild">Of the model file, the build and --swa-full: what decides whether slots can be restored at
/// all.</param>
internal sealed record Passport(string Model, string Fingerprint, string ModelAndBuild)
{
    /// <summary>
    /// What was known of the model before it was loaded. As long as that is the same, the fingerprint most likely is; null:
    /// something is not known.
    /// </summary>
    public string? Setup { get; init; }
}
