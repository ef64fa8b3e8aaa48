namespace HotModel.FunctionalTests;

public class SmokeTests
{
    [Fact]
    public void Admission_default_has_neither() => Assert.Null(default(System.Collections.Immutable.ImmutableArray<int>).IsDefault ? null : "x");
}
