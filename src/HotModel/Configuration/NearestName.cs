namespace HotModel.Configuration;

/// <summary>Finds what somebody probably meant.</summary>
internal static class NearestName
{
    /// <summary>" (did you mean "x"?)", or nothing where no name is near.</summary>
    public static string Hint(string name, IEnumerable<string> known) =>
        Find(name, known) is { } near ? $" (did you mean {TomlText.Quote(near)}?)" : "";

    public static string? Find(string name, IEnumerable<string> known)
    {
        // A third of the letters wrong is where a guess stops being a help and starts being noise.
        var limit = Math.Max(2, name.Length / 3);
        return known
            // No fewer are wrong than one is longer by: and so a name without end is compared with nothing.
            .Where(candidate => Math.Abs(candidate.Length - name.Length) <= limit)
            .Select(candidate => (candidate, distance: Distance(Fold(name), Fold(candidate))))
            .Where(found => found.distance <= limit && found.distance < found.candidate.Length)
            .OrderBy(found => found.distance).ThenBy(found => found.candidate, StringComparer.Ordinal)
            .Select(found => found.candidate)
            .FirstOrDefault();
    }

    private static string Fold(string name) => name.ToLowerInvariant().Replace('-', '_');

    /// <summary>
    /// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours count one.
    /// </summary>
    private static int Distance(string a, string b)
    {
        var rows = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
            rows[i, 0] = i;
        for (var j = 0; j <= b.Length; j++)
            rows[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = rows[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                rows[i, j] = Math.Min(replaced, Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    rows[i, j] = Math.Min(rows[i, j], rows[i - 2, j - 2] + 1);
            }
        }
        return rows[a.Length, b.Length];
    }
}
